import dev  # noqa: F401 (puts include/ on the path)
