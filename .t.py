import time, logging, sys
from tests.faults import kills, restores, restore_faults as rf, restore_rounds as rr
from tests.faults.s3_proxy import S3Proxy
from tests.faults.__main__ import servers
logging.disable(logging.WARNING)
with servers() as (place,durable), kills.Worker.started() as worker, restores.archives(place.server, place.s3) as archives:
    for n,(w,r) in enumerate(rr.ROUNDS.items()):
        for keyed in (True,False):
            t=time.monotonic()
            try: print("%.1f"%(time.monotonic()-t),w,keyed, rr.tried(worker,place,f"round{n}{keyed}".lower(),r,keyed=keyed), "%.1f"%(time.monotonic()-t))
            except Exception as e: print(w,keyed,type(e),e)
    with S3Proxy.started(place.s3.endpoint_url) as proxy:
        for n,(w,tr) in enumerate(rf.TRIALS.items()):
            for keyed, a in archives.items():
                t=time.monotonic()
                o=rf.tried_s3(a,proxy,f"s3t{n}",restores.WAYS[(n+keyed)%2],tr)
                print(w,keyed,o.met,"good" if o.verdict.good else o.verdict,"%.1f"%(time.monotonic()-t))
    for keyed, a in archives.items():
        for way in restores.WAYS:
            cs=rf.cuts(a,way,10)
            print(len(cs),cs[-1])
            for n,c in enumerate(cs):
                t=time.monotonic()
                v=rf.tried_cut(a,f"cut{n}",way,c)
                if not v.good: print(way,keyed,c,v)
            print(time.monotonic()-t)
