"""The example firm that ``./dev demo`` and the flow test run on. The add-on never imports this."""
