"""The matrix vendor x case as it stands in ``docs/connectors/README.md``; ``./dev matrix`` writes it."""

import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
README = REPO / "docs/connectors/README.md"
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"


def matrix():
    """Return the matrix and the reasons for what does not apply, as Markdown."""
    from rigs import all_rigs

    from conformance import CASES, ENGINE_CASES

    rigs = all_rigs()
    titles = {name: title for name, (title, _function) in CASES.items()} | ENGINE_CASES
    lines = ["| case | " + " | ".join(rig.connector.label for rig in rigs.values()) + " |",
             "|---|" + "---|" * len(rigs)]
    reasons = {}
    for name, title in titles.items():
        cells = []
        for code, rig in rigs.items():
            reason = rig.not_applicable.get(name)
            if reason is None and name in ENGINE_CASES and not getattr(rig.connector, "has_webhook", False):
                reason = "No notifications: the vendor has none, or its platform's connector takes them"
            if reason is None:
                cells.append("yes")
            else:
                number = reasons.setdefault((code, reason), len(reasons) + 1)
                cells.append(f"– ({number})")
        lines.append(f"| {title} (`{name}`) | " + " | ".join(cells) + " |")
    lines += ["", "Why a case does not apply:", ""]
    lines += [f"{number}. {rigs[code].connector.label}: {reason.rstrip('.')}."
              for (code, reason), number in reasons.items()]
    return "\n".join(lines)


def with_matrix(text):
    """Return ``text`` with the matrix between its two marks."""
    head, _begin, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{matrix()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    sys.path[:0] = [str(REPO), str(REPO / "tests/pure")]
    README.write_text(with_matrix(README.read_text(encoding="utf-8")), encoding="utf-8")
