"""What the triggers of watched tables note, who may watch what, and channels."""
