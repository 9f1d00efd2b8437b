"""Pure scoring kernels: tensors in, tensors out. Nothing here opens a file, loads weights or picks a device."""
