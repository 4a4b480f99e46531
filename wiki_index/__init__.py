"""Knowledge: Markdown pages in, ranked passages out."""
