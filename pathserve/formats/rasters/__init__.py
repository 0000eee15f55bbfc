"""Annotations as pixels: label masks and COCO's run-length codes."""
