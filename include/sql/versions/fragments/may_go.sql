-- Whether nothing keeps a version that was judged.
NOT "is kept" AND "is below" AND "is old" AND "is free" AND "is unreferenced"
