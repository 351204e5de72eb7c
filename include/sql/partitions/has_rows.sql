SELECT EXISTS (SELECT FROM {partition}) AS found
