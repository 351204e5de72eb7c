CLOSE superseded
