"""What `student_losses.py` needs: its cells and their sources, one cell, the table, the plot."""
