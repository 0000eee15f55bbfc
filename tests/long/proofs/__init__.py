"""What the proofs share: disks after a power cut, runs that are killed, planted names, files that were damaged."""
