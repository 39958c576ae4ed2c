"""What can be imported: files of lines, files of vectors, folders of pictures."""
