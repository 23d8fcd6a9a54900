"""The loops that make it so. A key says *look again*, never *what happened*."""
