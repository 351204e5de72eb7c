WITH RECURSIVE {postgres/catalog/fragments/family},
{purge/fragments/state}
SELECT state.digest FROM state
