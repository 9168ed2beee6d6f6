"""From files of images to one prepared store per dataset, and from the store to batches."""
