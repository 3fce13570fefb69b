"""Published claims, checked: what papers say, and what comes out here.

See :mod:`consilico.api` for what all functions of the interface have in common.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.extras import needing

if TYPE_CHECKING:
    from consilico.sim.base.progress import Progress
    from consilico.sim.claims.check import CheckedClaim

__all__ = ["claims"]


def claims(
    names: Sequence[str] = (),
    *,
    files: Path | None = None,
    progress: "Progress | None" = None,
) -> "tuple[CheckedClaim, ...]":
    """Check published claims: run what each needs, and return the verdicts.

    Args:
        names: Papers or single claims, such as ``"galore"`` or ``"galore/7b-in-24gb"``; all that
            are known if empty.
        files: Folder with further claim files, or one such file.
        progress: Called after each claim with a label, claims done and claims in all.

    Returns:
        For each claim its verdict, the figures found under each of its conditions, the commands
        behind them, and why the verdict follows.

    Raises:
        UserError: If there is no claim of a name, or a claim file is not what is accepted.
    """
    with needing("claims"):
        from consilico.sim.base.progress import silent
        from consilico.sim.claims.catalogue import find_claims
        from consilico.sim.claims.check import check_claims

        return check_claims(find_claims(names, files), progress or silent)
