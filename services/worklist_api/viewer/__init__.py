"""What the image viewer asks for: series of the archive, frames as stored, how exams are shown together, landmarks."""
