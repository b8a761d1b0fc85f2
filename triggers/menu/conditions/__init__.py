"""What each condition type means: one obvious NumPy file a type, the oracle of the compiled kernel."""
