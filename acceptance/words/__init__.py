"""The words of scenarios: the command of each verb and question, the answer for each reason."""
