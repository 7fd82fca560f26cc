"""The commands of the engine and of operators, decided without a word about HTTP."""
