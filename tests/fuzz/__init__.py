"""Coverage-guided fuzzing of whatever reads bytes that somebody else chose.

`python -m tests.fuzz` runs it; `test_corpus.py` asks every target what is in its corpus, with pytest.
"""
