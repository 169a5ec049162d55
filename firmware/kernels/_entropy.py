"""Machine code of kernels.entropy: model one reading, code it, learn it. The twin is wire.codec.v2_model.

State is unsigned halfwords, signed ones plus 32768, nine a channel; a logarithm's task is one word:
argument | offset << 20 | flags << 28 (1 negative, 2 halved, 4 a number as it is). Nothing reaches 2^31.
"""
# ruff: noqa: F821, SIM108 - viper's own types

import micropython


@micropython.viper
def code_reading(call: ptr32, s: ptr16, w: ptr16, m: ptr8, q: ptr16, t: ptr16, a: ptr32, out: ptr8) -> int:
    # call: low, width, bytes out, channel, series. w, m: the channel's tables. q: scales of all channels.
    # t: logistic 386, 2^(-k/16) 16, 2^(k/16) 16, log2 fractions 16, reciprocals 26. a: features.
    channel = call[3]
    b = channel * 9
    inverse = w[0]
    n = 0
    while n < 5:
        v = s[b + 1 + n] - 32768
        flag = 0
        if v < 0:
            v = 0 - v
            flag = 1
        if n < 3:
            v <<= 4
        if v > 32767:
            v = 32767
        a[n] = (64 + ((v * inverse) >> 8)) | (96 << 20) | (flag << 28)
        n += 1
    one = w[1] << 20
    a[5] = (s[b + 6] + 1) | one
    a[6] = (s[b + 7] + 1) | one
    a[7] = a[0] & 0xFFFFFFF
    level = s[b] - w[3]
    if level < 0:
        level = 0 - level
    two = 2
    a[8] = (8 + level) | (48 << 20) | (two << 28)
    v = w[4] - s[b]
    if v > 1024:
        v = 1024
    if v < 0:
        v = 0
    a[9] = (2 + v) | (16 << 20) | (two << 28)
    seen = s[b + 8]
    v = 64
    k = 0
    while v > seen:
        v -= seen + 1
        k += 1
    two = 4
    a[10] = k | (two << 28)
    v = 0
    k = 0
    if s[b + 1] == 32768:
        v = 16
        if s[b + 2] == 32768:
            k = 16
    a[11] = v | (two << 28)
    a[12] = k | (two << 28)
    n = 13
    crosses = w[7]
    i = 0
    while i < crosses:
        other = w[8 + i]
        ob = other * 9
        inverse = q[2 * other]
        k = 1
        while k < 3:
            v = s[ob + k] - 32768
            flag = 0
            if v < 0:
                v = 0 - v
                flag = 1
            v <<= 4
            if v > 32767:
                v = 32767
            v = (64 + ((v * inverse) >> 8)) | (96 << 20)
            a[n] = v | (flag << 28)
            n += 1
            if other > channel:
                k = 3
            elif k == 1:
                a[n] = v
                n += 1
            k += 1
        a[n] = (s[ob + 6] + 1) | (q[2 * other + 1] << 20)
        n += 1
        i += 1

    # logarithms
    i = 0
    while i < n:
        one = a[i]
        v = one & 0xFFFFF
        flag = one >> 28
        if flag < 4:
            e = 0
            k = v
            while k >= 16:
                k >>= 4
                e += 4
            while k >= 2:
                k >>= 1
                e += 1
            if e >= 4:
                k = 16 * e + t[418 + ((v >> (e - 4)) & 15)]
            else:
                k = (v << (4 - e)) & 15
                if k:
                    k = t[418 + k]
                k += 16 * e
            v = k - ((one >> 20) & 255)
            if flag & 2:
                v >>= 1
            else:
                if v > 127:
                    v = 127
                if v < -127:
                    v = -127
            if flag & 1:
                v = 0 - v
        a[i] = v + 32768
        i += 1

    # network
    words = 8 + crosses
    o0 = w[words + 8] - 32768
    o1 = w[words + 9] - 32768
    o2 = w[words + 10] - 32768
    o3 = w[words + 11] - 32768
    o4 = w[words + 12] - 32768
    h0 = w[words] - 32768
    h1 = w[words + 1] - 32768
    h2 = w[words + 2] - 32768
    h3 = w[words + 3] - 32768
    h4 = w[words + 4] - 32768
    h5 = w[words + 5] - 32768
    h6 = w[words + 6] - 32768
    h7 = w[words + 7] - 32768
    at = 8 * n
    k = 0
    i = 0
    while i < n:
        v = a[i] - 32768
        if v:
            o0 += v * (m[at] - 128)
            o1 += v * (m[at + 1] - 128)
            o2 += v * (m[at + 2] - 128)
            o3 += v * (m[at + 3] - 128)
            o4 += v * (m[at + 4] - 128)
            h0 += v * (m[k] - 128)
            h1 += v * (m[k + 1] - 128)
            h2 += v * (m[k + 2] - 128)
            h3 += v * (m[k + 3] - 128)
            h4 += v * (m[k + 4] - 128)
            h5 += v * (m[k + 5] - 128)
            h6 += v * (m[k + 6] - 128)
            h7 += v * (m[k + 7] - 128)
        at += 5
        k += 8
        i += 1
    a[0] = h0 + 0x10000000
    a[1] = h1 + 0x10000000
    a[2] = h2 + 0x10000000
    a[3] = h3 + 0x10000000
    a[4] = h4 + 0x10000000
    a[5] = h5 + 0x10000000
    a[6] = h6 + 0x10000000
    a[7] = h7 + 0x10000000
    j = 0
    while j < 8:
        v = a[j] - 0x10000000
        if v > 0:
            v >>= 5
            if v > 255:
                v = 255
            o0 += v * (m[at] - 128)
            o1 += v * (m[at + 1] - 128)
            o2 += v * (m[at + 2] - 128)
            o3 += v * (m[at + 3] - 128)
            o4 += v * (m[at + 4] - 128)
        at += 5
        j += 1

    # place
    at = words + 13
    if seen >= 5:
        at += 2 * w[6]
    elif seen >= 2:
        at += w[6]
    total = 0
    k = 1
    while k < 6:
        v = s[b + k] - 32768
        if k < 4:
            v <<= 4
            if v > 32767:
                v = 32767
            if v < -32767:
                v = -32767
        total += v * (w[at] - 32768)
        at += 1
        k += 1
    level >>= 3
    if level > 1023:
        level = 1023
    i = 0
    while i < crosses:
        other = w[8 + i]
        ob = other * 9
        k = 1
        while k < 3:
            v = (s[ob + k] - 32768) << 4
            if v > 32767:
                v = 32767
            if v < -32767:
                v = -32767
            total += v * (w[at] - 32768)
            at += 1
            if other > channel:
                k = 3
            elif k == 1:
                v = (v * level) >> 5
                if v > 32767:
                    v = 32767
                if v < -32767:
                    v = -32767
                total += v * (w[at] - 32768)
                at += 1
            k += 1
        i += 1

    # distribution
    scale = (o0 >> 5) + w[2] - 32768
    if scale > 176:
        scale = 176
    if scale < -48:
        scale = -48
    e = scale >> 4
    if o1 > 1023:
        o1 = 1023
    if o1 < -1023:
        o1 = -1023
    v = t[402 + (scale & 15)]
    if e >= 6:
        v <<= e - 6
    else:
        v >>= 6 - e
    place = (total >> 8) + ((o1 * v) >> 13)
    o2 >>= 5
    if o2 < 5:
        o2 = 5
    if o2 > 80:
        o2 = 80
    wide = scale + o2
    k = 0
    weight = 0
    spike = 0
    while k < 2:
        v = o3
        if k:
            v = o4
        flag = v
        if v < 0:
            v = 0 - v
        v >>= 4
        if v < 385:
            v = t[v]
        else:
            v = 32767
        if flag < 0:
            v = 32768 - v
        if k:
            spike = (v * 31) >> 5
        else:
            weight = v
        k += 1
    shift = e - 6
    if shift < 0:
        shift = 0
    if shift:
        spike = 0
    centre = (place + 8) >> 4
    place -= centre << 4
    reach = 16
    if e > 0:
        reach = 16 << (e - shift)

    # the symbol's interval
    difference = call[4] - s[b]
    symbol = (difference - centre) >> shift
    escaped = 0
    first = symbol
    last = symbol + 1
    if symbol > reach:
        escaped = 1
        first = reach + 1
        last = first
    if symbol < 0 - reach:
        escaped = 1
        first = 0 - reach
        last = first
    free = 65487 - 2 * reach
    k = 0
    start = 0
    end = 0
    while k < 2:
        one = first
        if k:
            one = last
        edge = ((one << shift) << 4) - 8 - place
        j = 0
        whole = 0
        while j < 2:
            i = scale
            if j:
                i = wide
            e = i >> 4
            v = edge
            if v < 0:
                v = 0 - v
            if e > 3:
                v >>= e - 3
                e = 3
            if v > 65535:
                v = 65535
            v = (v * t[386 + (i & 15)]) >> (8 + e)
            i = v >> 5
            if i >= 384:
                v = 32767
            else:
                flag = t[i]
                v = flag + (((t[i + 1] - flag) * (v & 31)) >> 5)
            if edge < 0:
                v = 32768 - v
            if j:
                whole += v * weight
            else:
                whole = v * (32768 - weight)
            j += 1
        whole >>= 15
        whole = (whole * (32768 - spike)) >> 15
        if one > 0 - centre:
            whole += spike
        start = end
        end = 24 + one + reach + ((whole * free) >> 15)
        k += 1
    if escaped:
        if symbol > 0:
            start = end
            end = 65536
        else:
            start = 0

    # range coder; once more for low bits where the scale is large
    low = call[0]
    width = call[1]
    n = call[2]
    v = width >> 16
    low += v * start
    width = v * (end - start)
    k = 0
    while k < 2:
        if low > 0x3FFFFFFF:
            low -= 0x3FFFFFFF
            low -= 1
            i = n - 1
            while out[i] == 255:
                out[i] = 0
                i -= 1
            out[i] = out[i] + 1
        while width < 0x400000:
            out[n] = low >> 22
            n += 1
            low = (low & 0x3FFFFF) << 8
            width <<= 8
        k += 1
        if escaped:
            k = 2
        if shift == 0:
            k = 2
        if k == 1:
            one = 1
            v = width >> shift
            low += v * ((difference - centre) & ((one << shift) - 1))
            width = v
    call[0] = low
    call[1] = width
    call[2] = n

    # learn
    seen += 1
    s[b] = call[4]
    s[b + 8] = seen
    s[b + 3] = s[b + 2]
    s[b + 2] = s[b + 1]
    v = difference
    if v > 32767:
        v = 32767
    if v < -32767:
        v = -32767
    s[b + 1] = v + 32768
    k = 4
    one = 4
    while k < 6:
        v = s[b + k] - 32768 - (difference << 4)
        if v > 32767:
            v = 32767
        if v < -32767:
            v = -32767
        i = seen
        if i > one:
            i = one
        s[b + k] = v - ((v * t[434 + i]) >> 12) + 32768
        one = 24
        k += 1
    if difference < 0:
        difference = 0 - difference
    difference <<= 4
    if difference > 65535:
        difference = 65535
    v = s[b + 6]
    s[b + 6] = v + ((difference - v) >> 2)
    i = seen + 1
    if i > 24:
        i = 24
    v = s[b + 7]
    s[b + 7] = v + (((difference - v) * t[434 + i]) >> 12)
    return escaped
