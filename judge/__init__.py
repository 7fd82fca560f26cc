"""Judges random runs of a volume driver: was anything lost, written twice, untrue, stuck or left?

The judge knows a driver only by what it was asked and what was seen of it: see docs/judge.md.
`judge.drivers` judges any volume driver: see docs/any-driver.md.
"""
