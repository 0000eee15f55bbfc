"""Two real fields of tissue with their annotations, shipped for `pathserve demo` and the tests; see README.md."""
