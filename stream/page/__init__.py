"""The live page of a run (`docs/page.md`): a process of its own that watches, and passes on commands."""
