"""`python -m host.audit`: whether an advisory is known about a package of requirements.lock.

pip-audit asks the database. Its variables choose another one: PIP_AUDIT_VULNERABILITY_SERVICE,
PIP_AUDIT_OSV_URL.

Exit status: 0, none is known; 1, some are or a package could not be checked, and they are listed;
2, nothing was checked.
"""

from __future__ import annotations

import json
import subprocess
import sys

from host.venv import LOCK


def main() -> int:
    """Exit status 0: nothing is known; 1: something is; 2: no database was reached."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes",
            "--disable-pip", "--format=json", "--progress-spinner=off",
        ],
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip
    printed = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    packages = json.loads(done.stdout)["dependencies"] if done.stdout.strip() else []
    checked = [each for each in packages if "vulns" in each]
    if not checked:
        reason = (
            packages[0]["skip_reason"] if packages else (printed or ["pip-audit was silent"])[-1]
        )
        print(f"audit: no database of advisories was reached, nothing was checked: {reason}")
        return 2
    known = [(each, advisory) for each in checked for advisory in each["vulns"]]
    for each, advisory in known:
        mended = ", ".join(advisory["fix_versions"]) or "no version yet"
        print(f"{each['name']} {each['version']}: {advisory['id']}; mended in {mended}")
    for each in packages:
        if each not in checked:
            print(f"{each['name']}: not checked: {each['skip_reason']}")
    print(f"audit: {len(checked)} of {len(packages)} packages checked, {len(known)} advisories")
    return 1 if known or len(checked) < len(packages) else 0


if __name__ == "__main__":
    sys.exit(main())
