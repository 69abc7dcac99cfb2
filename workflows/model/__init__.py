"""The shared language: frozen models that cross every seam, and nothing that acts."""
