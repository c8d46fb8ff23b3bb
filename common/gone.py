class Gone(Exception):
    """What a service was asked to change was deleted in the meantime. Nothing was changed.

    A view may have an answer of its own. Otherwise `Deleted` in config/middleware/every_request.py answers 404.
    """
