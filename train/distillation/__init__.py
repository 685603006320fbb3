"""What a teacher adds to a student's training: losses, gradient revision, and the methods made of them."""
