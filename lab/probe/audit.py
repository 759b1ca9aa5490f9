"""Looks for every POST of a run in the server's own list."""

import asyncio
from collections import Counter

from lab.probe.ledger import Ledger
from lab.probe.messages import Failed, Request
from lab.probe.report import Audit
from lab.probe.schedule import Sender
from lab.probe.workload import parse_items

PAGE = 1000
TIME_LIMIT = 120.0  # seconds
MAX_SUSPECTS = 10


async def audit(send: Sender, ledger: Ledger) -> Audit:
    """List all items of the run and compare them with what was acknowledged."""
    try:
        async with asyncio.timeout(TIME_LIMIT):
            present = await _present(send, ledger)
    except TimeoutError:
        return Audit(audit_error=f"the list was not read in {TIME_LIMIT:.0f} s")
    except (Failed, OSError) as error:
        return Audit(audit_error=f"{type(error).__name__}: {error}")
    return compare(ledger, present)


def compare(ledger: Ledger, present: Counter[str]) -> Audit:
    """Find lost, doubled and phantom items; `present` says how often each reference is in the list."""
    lost = [reference for reference in ledger.acknowledged if reference not in present]
    doubled = [reference for reference, count in present.items() if count > 1]
    phantom = [reference for reference in present if reference not in ledger.acknowledged]
    found = {"lost": lost, "doubled": doubled, "phantom": phantom}
    suspects = {sort: references[:MAX_SUSPECTS] for sort, references in found.items() if references}
    return Audit(ledger.sent, len(lost), len(doubled), len(phantom), suspects)


async def _present(send: Sender, ledger: Ledger) -> Counter[str]:
    present: Counter[str] = Counter()
    after = ledger.audit_start()
    while items := parse_items(await send(Request("GET", f"/items?after={after}&limit={PAGE}"))):
        references = (str(item.get("reference")) for item in items)
        present.update(reference for reference in references if reference.startswith(f"{ledger.run}-"))
        if items[-1]["id"] <= after:
            raise Failed(f"the list does not go on after {after}")
        after = items[-1]["id"]
    return present
