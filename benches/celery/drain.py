"""The same work by Celery: tasks that do nothing, acked late, enqueued first and then drained by one worker.

drain.py BROKER COUNT PROCESSES [-E]   prints: drained per second, CPU microseconds a task, of the worker's processes
"""

import os
import subprocess
import sys
import time

import celery

app = celery.Celery("drain", broker=os.environ.get("DRAIN_BROKER"))
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    task_default_queue=os.environ.get("DRAIN_QUEUE", "drain"),
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="nothing")
def nothing():
    pass


def waiting(channel, queue):
    return channel.queue_declare(queue, passive=True).message_count


def cpu_us(group):
    """CPU time of the processes of a group, which live still."""
    ticks = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks * 1_000_000 // os.sysconf("SC_CLK_TCK")


def main():
    broker, count, processes = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    queue = f"drain-{os.getpid()}"
    app.conf.update(broker_url=broker, task_default_queue=queue)
    with app.producer_pool.acquire() as producer:
        for _ in range(count):
            nothing.apply_async(producer=producer, queue=queue)
    environment = os.environ | {"DRAIN_BROKER": broker, "DRAIN_QUEUE": queue}
    command = [sys.executable, "-m", "celery", "-A", "drain", "worker", "-P", "prefork", "-c", processes, "-l", "WARNING"]
    worker = subprocess.Popen(
        command + sys.argv[4:], env=environment, cwd=os.path.dirname(os.path.abspath(__file__)), start_new_session=True
    )
    try:
        with app.connection() as connection, connection.channel() as channel:
            while waiting(channel, queue) == count:
                time.sleep(0.005)
            began, left, before = time.monotonic(), waiting(channel, queue), cpu_us(worker.pid)
            while waiting(channel, queue) > 0:
                time.sleep(0.02)
            seconds, used = time.monotonic() - began, cpu_us(worker.pid) - before
            channel.queue_delete(queue)
        print(f"per_s={left / seconds:.0f} cpu_us={used / left:.0f}")
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
