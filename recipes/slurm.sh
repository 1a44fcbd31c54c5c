#!/bin/bash
# Train a recipe on a SLURM cluster, through preemption, time limits and lost workers:
# `sbatch recipes/slurm.sh RECIPE`. One node with 8 GPUs, or more of them: `sbatch --nodes 4 ...`.
#
# Two minutes before the time limit, or when the job is preempted, the workers finish their update and
# save. The job is then queued again and resumes where it stopped. If a worker is lost, all start again
# from the last checkpoint. The run folder and the corpus must be on a file system that all nodes share.
#SBATCH --job-name=nmt
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --open-mode=append
#SBATCH --output=nmt-%j.log
set -u
# Seconds that torchrun waits for the workers to save; less than the notice of --signal above.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=100
# Since SLURM 22.05, srun does not inherit the job's --cpus-per-task.
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"

nodes="${SLURM_JOB_NUM_NODES:-1}"
first_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
# Two jobs may share a node, so that each needs a port of its own.
port=$((20000 + SLURM_JOB_ID % 10000))
stopped=no
stop() {
  stopped=yes
  [ -z "${step-}" ] || kill -TERM "$step" 2>/dev/null
}
trap stop TERM

srun --nodes="$nodes" --ntasks="$nodes" --ntasks-per-node=1 torchrun \
  --nnodes "$nodes" \
  --nproc-per-node "${WORKERS:-${SLURM_GPUS_ON_NODE:-1}}" \
  --max-restarts "${RESTARTS:-3}" \
  --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$first_node:$port" \
  -- cli.py train "$@" &
step=$!
wait "$step"
code=$?
while kill -0 "$step" 2>/dev/null; do # the trap ended the first wait
  wait "$step"
  code=$?
done

if [ "$stopped" = yes ] && [ "$code" -ne 0 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
