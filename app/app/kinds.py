"""What went wrong, fit for logs and answers."""


def kind(error: BaseException) -> str:
    """The class name of the first cause. Messages are left out: they may quote user names, addresses or values."""
    while (cause := error.__cause__) is not None:
        error = cause
    return type(error).__name__
