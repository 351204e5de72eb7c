-- Whether a version that enough newer ones supersede may go: below every bound, old enough, held by no restore, and nobody
-- points to it. Rows without a time stay while a restore holds any of the table.
{versions/fragments/is_below}
        AND {versions/fragments/is_old}
        AND {versions/fragments/is_free}
        AND {unreferenced}
