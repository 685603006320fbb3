"""What the page says in words: what was compared how, why a comparison is lost, what was done about a cost."""

INTRODUCTION = ""

NOTES: dict[str, str] = {"accuracy": ""}

COSTS: dict[str, str] = {}
