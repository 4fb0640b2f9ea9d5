"""What each contract of the second firm comes to: billed and held before tax, in its currency."""

EXPECTED = {}
