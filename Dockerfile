# Airflow's official image with this project's packages, pinned by the lock file.
FROM apache/airflow:3.3.2-python3.12
COPY requirements.txt constraints.txt /
RUN pip install --no-cache-dir --requirement /requirements.txt --constraint /constraints.txt
