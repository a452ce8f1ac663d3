"""From the scanner's DICOM files to a BIDS data set."""
