"""Do something in the database and take it back."""

from contextlib import contextmanager


@contextmanager
def undone(env):
    """Run the block in a savepoint that is always rolled back, with what it wanted to do around the commit.

    Locks that the block takes are given back too. What it learnt must leave it as plain values.
    """
    cr = env.cr
    env.flush_all()
    queues = [cr.precommit, cr.postcommit, cr.prerollback, cr.postrollback]
    kept = [(queue, list(queue._funcs), dict(queue.data)) for queue in queues]
    savepoint = cr.savepoint()
    try:
        yield
    finally:
        savepoint.close(rollback=True)
        env.invalidate_all(flush=False)
        for queue, functions, data in kept:
            queue.clear()
            for function in functions:
                queue.add(function)
            queue.data.update(data)
