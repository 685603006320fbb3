"""What a machine must have for the camera loop, looked at piece by piece: each check reads text and gives findings."""
