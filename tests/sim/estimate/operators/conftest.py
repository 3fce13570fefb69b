"""pyverilog leaves its version file open when it is imported: not an error of ours."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)
    import pyverilog  # noqa: F401
