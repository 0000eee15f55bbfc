"""The files of other tools: XML, JSON and text, piece by piece."""
