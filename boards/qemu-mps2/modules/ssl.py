# The name that most code imports. Unlike CPython's, a client context of `tls` verifies unless told otherwise.
from tls import *  # noqa: F403
