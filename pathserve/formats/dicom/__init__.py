"""DICOM's bulk annotations and segmentations."""
