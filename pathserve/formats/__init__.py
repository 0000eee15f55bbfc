"""Annotation formats: text in, annotations out, and back. Knows no store."""
