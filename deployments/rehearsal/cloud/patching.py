"""How this package changes moto: by name, and only what is there.

moto is pinned; when a newer one has lost a name that is replaced here, start-up fails with a sentence instead of
serving an unpatched answer.
"""


class MotoChangedError(RuntimeError):
    """A name that a patch relies on is missing in the installed moto."""


def replace(owner: object, name: str, value: object) -> None:
    """Put `value` in the place of the attribute `name` of a moto class or module.

    Raises:
        MotoChangedError: The owner has no such attribute.
    """
    if not hasattr(owner, name):
        raise MotoChangedError(
            f"moto has no {name} in {owner!r} any more; install the moto version named in pyproject.toml"
        )
    setattr(owner, name, value)


def add(owner: object, name: str, value: object) -> None:
    """Give a moto class an action it lacks.

    Raises:
        MotoChangedError: The owner has that action by now, so that the patch is to be removed.
    """
    if hasattr(owner, name):
        raise MotoChangedError(f"moto has its own {name} in {owner!r} by now; remove the patch that adds it")
    setattr(owner, name, value)
