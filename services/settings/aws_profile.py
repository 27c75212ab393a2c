"""What a profile of ~/.aws says."""

from __future__ import annotations


def region_of_profile(name: str | None) -> str | None:
    """The region of a profile, or of the default one; None where it names none, or is not there.

    A profile that is not there is told when it is asked for credentials: with a key it is not needed.
    """
    # Only a run on AWS without a region comes here: the others are not to wait for the import.
    import botocore.session
    from botocore.exceptions import BotoCoreError

    # not by the environment: an empty variable counts as unset
    unset = (None, None, None, None)
    session = botocore.session.Session({"profile": unset, "region": ("region", None, None, None)}, profile=name)
    try:
        found: str | None = session.get_config_variable("region")
    except BotoCoreError:
        return None
    return found
