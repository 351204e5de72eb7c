FETCH NEXT FROM superseded
