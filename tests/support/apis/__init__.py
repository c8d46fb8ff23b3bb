"""The APIs of docs/examples that ask Latchkey themselves, and what answers in Latchkey's place."""
