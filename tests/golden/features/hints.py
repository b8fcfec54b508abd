"""Losses that want the student's features to be the teacher's, from their definitions."""


def fitnet(student, teacher, batch):
    return ((student - teacher) ** 2).mean()


CASES = [(fitnet, {}, [((2, 3, 3, 4), (2, 3, 3, 4)), ((5, 1, 1, 7), (5, 1, 1, 7)), ((3, 4, 2, 33), (3, 4, 2, 33))])]
