"""Words and arithmetic. No I/O."""
