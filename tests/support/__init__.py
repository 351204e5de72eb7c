"""What the tests share: places to archive from and to, what happens meanwhile, and how it is compared."""
