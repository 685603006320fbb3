"""Teachers, students and pose networks, one a file; the registry finds them."""
